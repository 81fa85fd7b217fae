import Testing
import petals_e2e

@Suite("Free memory")
struct FreeMemoryTests {
  private let meminfo = "MemTotal:  9000000 kB\nMemAvailable:  8000000 kB\n"

  private func free(_ limit: String?, _ used: String?, _ statistics: String?) -> Int {
    FreeMemory.bytes(
      meminfo: meminfo, limit: limit, used: used, statistics: statistics, physical: 7)
  }

  @Test("Pages of files that a control group may give up count as free, whatever else it uses")
  func files() {
    let statistics = """
      anon 100000
      file 750000
      inactive_file 500000
      active_file 200000
      inactive_anon 90000
      unevictable 50000
      """
    // A model of 700 000 bytes was read: 100 000 of its own and 50 000 that stay are in use.
    #expect(free("1000000", "850000", statistics) == 850_000)
    #expect(free("1000000", "850000", nil) == 150_000)
    #expect(free("1000000", "850000", "inactive_file much\nactive_file") == 150_000)
    // Both are read one after the other: more files than use leave the limit, not more.
    #expect(free("1000000", "600000", statistics) == 1_000_000)
    #expect(free("1000000", "2000000", statistics) == 0)
    #expect(free("max", "850000", statistics) == 8_192_000_000)
    #expect(free("99000000000", "850000", statistics) == 8_192_000_000)
  }

  @Test("A process has the limits of its control group and of all above it")
  func groups() {
    #expect(
      FreeMemory.groups(of: "0::/petals.slice/petals-node.service") == [
        "/sys/fs/cgroup/petals.slice/petals-node.service", "/sys/fs/cgroup/petals.slice",
        "/sys/fs/cgroup",
      ])
    #expect(
      FreeMemory.groups(of: "1:name=systemd:/a\n0::/b") == ["/sys/fs/cgroup/b", "/sys/fs/cgroup"])
    for outermost in ["0::/", "0::/../other", "5:memory:/a", "", nil] {
      #expect(FreeMemory.groups(of: outermost) == ["/sys/fs/cgroup"], "\(outermost ?? "none")")
    }
  }
}
