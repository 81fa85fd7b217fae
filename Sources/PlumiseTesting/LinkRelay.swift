import AsyncPrimitives
import DequeModule
import MockServing
import NIOCore

/// What the two relays of a connection know of it.
struct LinkConnection: Sendable {
  /// What is wrong with a direction.
  let faults: [LinkDirection: LinkFault]
  /// Where the connection's jitter comes from.
  let seed: UInt64
  /// How often the link was released before.
  let releases: Int
}

/// Forwards the bytes of one side of a connection to the other side.
final class LinkRelay: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let way: LinkDirection
  private let link: FaultyLink
  private let other: any Channel
  private var own: (any Channel)?
  private let heldAt: Int?
  private var pacer: LinkPacer
  /// After how many more bytes the connection ends, and how; nil for one that does not.
  private var end: (bytes: Int, isReset: Bool)?
  /// What was read while the link was held, in order.
  private var held: [ByteBuffer] = []
  /// What waits for its time, in order.
  private var paced: [(bytes: ByteBuffer, due: Duration)] = []
  private var isPacing = false
  private var hasEnded = false

  init(
    _ way: LinkDirection, link: FaultyLink, other: any Channel, _ connection: LinkConnection
  ) {
    let fault = connection.faults[way]
    self.way = way
    self.link = link
    self.other = other
    heldAt = fault == .hold ? connection.releases : nil
    // The two ways of a connection are late independently of one another.
    pacer = LinkPacer(
      fault, seed: connection.seed &* 2 &+ (way == .toServer ? 1 : 0),
      joins: link.clock.monitor != nil)
    switch fault {
    case .closeAfter(let bytes): end = (bytes, false)
    case .resetAfter(let bytes): end = (bytes, true)
    case .close, .reset, .hold, .delay, .throttle, .slice, nil: break
    }
  }

  func handlerAdded(context: ChannelHandlerContext) {
    own = context.channel
    let (bound, loop) = (NIOLoopBound(self, eventLoop: context.eventLoop), context.eventLoop)
    link.relays(to: other) {
      loop.execute {
        bound.value.forward()
        bound.value.endIfDone()
      }
    }
  }

  func channelActive(context: ChannelHandlerContext) {
    // The server may speak from the moment that someone listens to it.
    other.setOption(.autoRead, value: true).whenComplete { _ in }
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    held.append(unwrapInboundIn(data))
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    // All that is there at once: whoever waits for these bytes waits from here on.
    forward()
    context.fireChannelReadComplete()
  }

  func channelInactive(context: ChannelHandlerContext) {
    hasEnded = true
    endIfDone()
    context.fireChannelInactive()
  }

  /// Closes the other side once it has everything that this one said.
  private func endIfDone() {
    guard hasEnded, held.isEmpty, paced.isEmpty, link.isOpen else { return }
    other.close(promise: nil)
  }

  private func forward() {
    guard link.passes(way, heldAt: heldAt) else { return }
    let ready = held
    held = []
    for var bytes in ready {
      guard pacer.paces else {
        write(bytes)
        continue
      }
      for piece in pacer.pieces(of: bytes.readableBytes, at: link.watch.elapsed) {
        guard let slice = bytes.readSlice(length: piece.bytes) else { continue }
        paced.append((slice, piece.due))
      }
    }
    pace()
  }

  private func write(_ bytes: ByteBuffer) {
    guard let limit = end else { return other.writeAndFlush(bytes, promise: nil) }
    guard bytes.readableBytes >= limit.bytes else {
      end?.bytes -= bytes.readableBytes
      return other.writeAndFlush(bytes, promise: nil)
    }
    guard limit.bytes > 0 else { return }
    end?.bytes = 0
    let channels = [own, other].compactMap(\.self)
    let last = bytes.getSlice(at: bytes.readerIndex, length: limit.bytes) ?? bytes
    // Both are on one event loop. They end once the last bytes are out.
    other.writeAndFlush(last).whenComplete { _ in
      for channel in channels {
        if limit.isReset {
          channel.resetOnClose().whenComplete { _ in channel.close(promise: nil) }
        } else {
          channel.close(promise: nil)
        }
      }
    }
  }

  /// Waits for the first piece that is not due yet, away from the event loop, and goes on there.
  private func pace() {
    // Time must not go on between the note that requests wait and the sleep that they wait for.
    let work = link.monitor?.begin(nil)
    defer { if let work { link.monitor?.end(work) } }
    while let first = paced.first, first.due <= link.watch.elapsed {
      paced.removeFirst()
      other.writeAndFlush(first.bytes, promise: nil)
    }
    endIfDone()
    let id = ObjectIdentifier(self)
    guard let due = paced.first?.due else { return link.goesOn(id) }
    // Also where a sleeper is there already: requests that came since wait behind what it waits for.
    link.waits(id, [own, other].compactMap(\.self))
    guard !isPacing else { return }
    isPacing = true
    let bound = NIOLoopBound(self, eventLoop: other.eventLoop)
    let (loop, link) = (other.eventLoop, link)
    let sleeping = link.pacing.spawn {
      do { try await link.watch.sleep(until: due) } catch {
        // The link or the connection has ended.
        return link.goesOn(id)
      }
      let waking = link.monitor?.begin(nil)
      // Before the relay may find that the next piece has to wait.
      link.goesOn(id)
      loop.execute {
        bound.value.isPacing = false
        bound.value.pace()
        if let waking { link.monitor?.end(waking) }
      }
    }
    other.closeFuture.whenComplete { _ in sleeping.cancel() }
  }
}
