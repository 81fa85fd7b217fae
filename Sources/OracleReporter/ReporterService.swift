public import ServiceLifecycle

extension OracleReporter: Service {
  /// Reports until the service group stops, or the task is cancelled; then sends the last report.
  /// - Throws: ``ReporterError/alreadyRunning``.
  public func run() async throws {
    try start()
    await untilStopped()
    await stop()
  }

  private nonisolated func untilStopped() async {
    let (stopped, continuation) = AsyncStream<Never>.makeStream()
    await withGracefulShutdownHandler {
      // Ends when the stream does or the task is cancelled: nothing is ever sent.
      for await _ in stopped {}
    } onGracefulShutdown: {
      continuation.finish()
    }
  }
}
