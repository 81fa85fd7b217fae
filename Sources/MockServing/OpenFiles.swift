#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How many files, connections among them, the process may have open at once.
public enum OpenFiles {
  #if canImport(Darwin)
    /// What macOS takes on every machine; more may be refused.
    private static let most: rlim_t = 10_240
  #else
    /// As many as any process here has needed, with much to spare.
    private static let most: rlim_t = 65_536
  #endif

  /// Lets the process open as many files as the system allows it, up to 65 536 (macOS: 10 240).
  ///
  /// Many logins begin with 1024 (macOS with 256), which a test run that holds both ends of its
  /// connections goes beyond. Servers call this as they start; where it is refused, the limit stays.
  public static func raiseLimit() { raised }

  private static let raised: Void = {
    #if canImport(Glibc)
      let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
      let resource = RLIMIT_NOFILE
    #endif
    var limit = rlimit()
    guard getrlimit(resource, &limit) == 0 else { return }
    let wanted = min(limit.rlim_max, most)
    guard limit.rlim_cur < wanted else { return }
    limit.rlim_cur = wanted
    // A refusal leaves what there was.
    _ = setrlimit(resource, &limit)
  }()
}
