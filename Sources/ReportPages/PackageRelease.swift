/// The version of this package, which its programs and reports say.
package enum PackageRelease {
  /// By semantic versioning.
  package static let version = "0.1.0"
}
