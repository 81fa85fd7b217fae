import Foundation

extension Error {
  /// Why the system refused a file, in its own words: "Not a directory", "No space left on device".
  ///
  /// Foundation knows sentences for some of these errors and says "NSCocoaErrorDomain error 512" for
  /// the others; the POSIX error that it keeps underneath says more. An error that has none keeps its
  /// own sentence.
  package var systemReason: String {
    let cause = (self as NSError).userInfo[NSUnderlyingErrorKey] as? any Error
    for error in [cause ?? self, self] {
      let error = error as NSError
      guard error.domain == NSPOSIXErrorDomain, let code = Int32(exactly: error.code) else {
        continue
      }
      return String(cString: strerror(code))
    }
    return localizedDescription
  }
}
