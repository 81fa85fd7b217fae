/// A server's certificate for 127.0.0.1 and the authority that signed it: made for these tests with
/// OpenSSL, valid for a hundred years, and trusted by nobody.
enum TestCertificates {
  /// The authority's certificate.
  static let authority = """
    -----BEGIN CERTIFICATE-----
    MIIBijCCAS+gAwIBAgIUE734lf0gl+GKIHoz9vWK1NKNuvgwCgYIKoZIzj0EAwIw
    GTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwIBcNMjYxMTIyMTgwOTQ3WhgPMjEy
    NjEwMjkxODA5NDdaMBkxFzAVBgNVBAMMDnRlc3QgYXV0aG9yaXR5MFkwEwYHKoZI
    zj0CAQYIKoZIzj0DAQcDQgAEUBSnWXDlvvZyj+yBrwEYYR3lYsktPgZfMpfZVKmX
    BfMNUsq5Ij/36Y6i5hw6Az/mSj0yc3OykrZUl0CFgtzbaKNTMFEwHQYDVR0OBBYE
    FHlSR/VLft9sN26WGww+i3hN1V5eMB8GA1UdIwQYMBaAFHlSR/VLft9sN26WGww+
    i3hN1V5eMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhAJ/bLo4n
    aVx61cMowRVyud/IPzrZG5Ke1sZulBj/Vfv4AiEA0AxGpI330hKZ8MB0HzXoro6T
    /GoA+Es6nv6Wmf7+F6o=
    -----END CERTIFICATE-----
    """

  /// The server's certificate.
  static let server = """
    -----BEGIN CERTIFICATE-----
    MIIBmjCCAT+gAwIBAgIUdayofVdAYRE4znNnTwKAqkRHjmowCgYIKoZIzj0EAwIw
    GTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwIBcNMjYxMTIyMTgwOTQ3WhgPMjEy
    NjEwMjkxODA5NDdaMBQxEjAQBgNVBAMMCTEyNy4wLjAuMTBZMBMGByqGSM49AgEG
    CCqGSM49AwEHA0IABNrb687r7s2ISUChAJxm4jka87XuBMMUV1y1aHxOKa5db32+
    UbOTS3FJ7yrDh4xskhj6FLyRVHp3XE1+VYcKX1+jaDBmMA8GA1UdEQQIMAaHBH8A
    AAEwEwYDVR0lBAwwCgYIKwYBBQUHAwEwHQYDVR0OBBYEFDmlR1vnd7LXOiaMUOk+
    PvSm/GXrMB8GA1UdIwQYMBaAFHlSR/VLft9sN26WGww+i3hN1V5eMAoGCCqGSM49
    BAMCA0kAMEYCIQDpIBrlj2lCCWAeXUMQCHQtAuCjSMebpDVkgi0O2LTqBAIhAO/C
    JZIgZMLllTRyHuCanx6vYtdfv08gpMvOePMK4fvp
    -----END CERTIFICATE-----
    """

  /// The server's key, which protects nothing.
  static let serverKey = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghUk5v/4rngwHpfnb
    36S0KsEiKutppEgKBXrurw+CWyqhRANCAATa2+vO6+7NiElAoQCcZuI5GvO17gTD
    FFdctWh8TimuXW99vlGzk0txSe8qw4eMbJIY+hS8kVR6d1xNflWHCl9f
    -----END PRIVATE KEY-----
    """
}
