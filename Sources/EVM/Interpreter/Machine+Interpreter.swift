import EthereumPrimitives

extension Machine {
  /// Runs a frame until it ends or wants other code to run.
  ///
  /// What every instruction needs is in local variables, and put back where others look when they
  /// are called. Bytes behind the code are STOP, so that running off its end needs no check.
  @inline(never)
  func interpret<Hook: StepHook>(_ frame: Frame, _ hook: Hook) -> Exit {
    let code = frame.code
    let start = code.start
    let instructions = instructions
    let base = frame.stack
    let bottom = UInt(bitPattern: base)
    var pc = start + frame.pc
    var top = frame.top
    var gas = frame.gas
    while true {
      let opcode = pc.pointee
      let instruction = instructions[Int(opcode)]
      hook.step(frame, pc: pc - start, opcode: opcode, gas: gas, top: top)
      let height = UInt32(truncatingIfNeeded: UInt(bitPattern: top) &- bottom)
      if height &- UInt32(instruction.need) > UInt32(instruction.span) {
        return stackFailure(instruction, height: Int(height / 32))
      }
      if gas < UInt64(instruction.gas) { return .ended(.failed(.outOfGas)) }
      gas &-= UInt64(instruction.gas)
      pc += 1
      switch instruction.kind {
      case .stop:
        frame.gas = gas
        return .ended(.returned)
      case .add:
        top -= 1
        top[-1] = top[0] &+ top[-1]
      case .mul:
        top -= 1
        top[-1] = top[0] &* top[-1]
      case .sub:
        top -= 1
        top[-1] = top[0] &- top[-1]
      case .div:
        top -= 1
        top[-1] = top[0].quotientOrZero(top[-1])
      case .sdiv:
        top -= 1
        top[-1] = top[0].signedQuotientOrZero(top[-1])
      case .mod:
        top -= 1
        top[-1] = top[0].remainderOrZero(top[-1])
      case .smod:
        top -= 1
        top[-1] = top[0].signedRemainderOrZero(top[-1])
      case .addmod:
        top -= 2
        top[-1] = top[1].adding(top[0], modulo: top[-1])
      case .mulmod:
        top -= 2
        top[-1] = top[1].multiplied(by: top[0], modulo: top[-1])
      case .signextend:
        top -= 1
        top[-1] = top[-1].signExtended(fromByte: top[0])
      case .lt:
        top -= 1
        top[-1] = Word(Word.less(top[0], top[-1]))
      case .gt:
        top -= 1
        top[-1] = Word(Word.less(top[-1], top[0]))
      case .slt:
        top -= 1
        top[-1] = Word(Word.signedLess(top[0], top[-1]))
      case .sgt:
        top -= 1
        top[-1] = Word(Word.signedLess(top[-1], top[0]))
      case .eq:
        top -= 1
        top[-1] = Word(Word.equal(top[0], top[-1]))
      case .iszero:
        top[-1] = Word(!top[-1].isSet)
      case .and:
        top -= 1
        top[-1] = top[0] & top[-1]
      case .or:
        top -= 1
        top[-1] = top[0] | top[-1]
      case .xor:
        top -= 1
        top[-1] = top[0] ^ top[-1]
      case .not:
        top[-1] = ~top[-1]
      case .byte:
        top -= 1
        top[-1] = top[-1].byte(at: top[0])
      case .shl:
        top -= 1
        top[-1] = top[-1].shiftedLeft(by: top[0])
      case .shr:
        top -= 1
        top[-1] = top[-1].shiftedRight(by: top[0])
      case .sar:
        top -= 1
        top[-1] = top[-1].arithmeticallyShiftedRight(by: top[0])
      case .pop:
        top -= 1
      case .push0:
        top[0] = Word(limb: 0)
        top += 1
      case .push1:
        top[0] = Word(limb: UInt64(pc.pointee))
        top += 1
        pc += 1
      case .pushShort:
        let count = Int(instruction.operand)
        let bytes = UnsafeRawPointer(pc).loadUnaligned(as: UInt64.self)
        top[0] = Word(limb: UInt64(bigEndian: bytes) &>> UInt64(64 &- 8 &* count))
        top += 1
        pc += count
      case .pushLong:
        let count = Int(instruction.operand)
        let word = Word.load(UnsafeRawPointer(pc + count) - 32)
        top[0] = word.lowest(bytes: count)
        top += 1
        pc += count
      case .dup:
        top[0] = top[-Int(instruction.operand)]
        top += 1
      case .swap:
        let other = top - (1 &+ Int(instruction.operand))
        let word = top[-1]
        top[-1] = other.pointee
        other.pointee = word
      case .jump:
        top -= 1
        let target = top[0]
        guard target.fits64Bits, code.isDestination(target.limb0) else {
          return .ended(.failed(.invalidJump))
        }
        pc = start + Int(target.limb0)
      case .jumpi:
        top -= 2
        if top[0].isSet {
          let target = top[1]
          guard target.fits64Bits, code.isDestination(target.limb0) else {
            return .ended(.failed(.invalidJump))
          }
          pc = start + Int(target.limb0)
        }
      case .jumpdest: break
      case .pc:
        top[0] = Word(limb: UInt64(pc - start - 1))
        top += 1
      case .msize:
        top[0] = Word(limb: UInt64(frame.memoryCount))
        top += 1
      case .gas:
        top[0] = Word(limb: gas)
        top += 1
      case .mload:
        let offset = top[-1]
        if offset.fits64Bits, offset.limb0 < Gas.maxMemory,
          Int(offset.limb0) &+ 32 <= frame.memoryCount
        {
          top[-1] = Word.load(frame.memory + Int(offset.limb0))
        } else {
          frame.gas = gas
          do throws(Failure) {
            let range = try frame.expandMemory(offset, Word(limb: 32))
            top[-1] = Word.load(frame.memory + range.start)
          } catch { return .ended(.failed(error)) }
          gas = frame.gas
        }
      case .mstore:
        top -= 2
        let offset = top[1]
        if offset.fits64Bits, offset.limb0 < Gas.maxMemory,
          Int(offset.limb0) &+ 32 <= frame.memoryCount
        {
          top[0].store(frame.memory + Int(offset.limb0))
        } else {
          frame.gas = gas
          do throws(Failure) {
            let range = try frame.expandMemory(offset, Word(limb: 32))
            top[0].store(frame.memory + range.start)
          } catch { return .ended(.failed(error)) }
          gas = frame.gas
        }
      case .mstore8:
        top -= 2
        frame.gas = gas
        do throws(Failure) {
          let range = try frame.expandMemory(top[1], Word(limb: 1))
          frame.memory.storeBytes(
            of: UInt8(truncatingIfNeeded: top[0].limb0), toByteOffset: range.start, as: UInt8.self)
        } catch { return .ended(.failed(error)) }
        gas = frame.gas
      case .address:
        top[0] = frame.address.word
        top += 1
      case .caller:
        top[0] = frame.caller.word
        top += 1
      case .callvalue:
        top[0] = frame.value
        top += 1
      case .calldatasize:
        top[0] = Word(limb: UInt64(frame.input.count))
        top += 1
      case .calldataload:
        top[-1] = Self.word(of: frame.input, at: top[-1])
      case .undefined:
        return .ended(.failed(.undefinedOpcode(opcode)))
      default:
        frame.gas = gas
        frame.top = top
        frame.pc = pc - start
        do throws(Failure) {
          if let exit = try perform(instruction, frame) { return exit }
        } catch { return .ended(.failed(error)) }
        gas = frame.gas
        top = frame.top
      }
    }
  }

  private func stackFailure(_ instruction: Instruction, height: Int) -> Exit {
    let needed = Int(instruction.need / 32)
    return .ended(
      .failed(
        height < needed
          ? .stackUnderflow(height: height, needed: needed)
          : .stackOverflow(height: height, limit: instruction.highest)))
  }

  /// 32 bytes of the input, zeros where it has ended.
  @inline(__always)
  private static func word(of input: UnsafeRawBufferPointer, at offset: Word) -> Word {
    guard offset.fits64Bits, offset.limb0 < UInt64(input.count), let start = input.baseAddress
    else { return Word(limb: 0) }
    let begin = Int(offset.limb0)
    if input.count - begin >= 32 { return Word.load(start + begin) }
    return Word(prefix: start + begin, count: input.count - begin)
  }
}

extension Word {
  /// The word's lowest bytes, 9 to 32 of them.
  @inline(__always)
  fileprivate func lowest(bytes count: Int) -> Word {
    let bits = UInt64(count) &* 8
    if bits <= 128 { return Word(0, 0, limb1 & (.max &>> (128 &- bits)), limb0) }
    if bits <= 192 { return Word(0, limb2 & (.max &>> (192 &- bits)), limb1, limb0) }
    return Word(limb3 & (.max &>> (256 &- bits)), limb2, limb1, limb0)
  }

  /// A word that begins with fewer than 32 bytes, and goes on with zeros.
  fileprivate init(prefix bytes: UnsafeRawPointer, count: Int) {
    self = withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { buffer in
      buffer.initializeMemory(as: UInt8.self, repeating: 0)
      buffer.copyMemory(from: UnsafeRawBufferPointer(start: bytes, count: count))
      guard let start = buffer.baseAddress else { preconditionFailure("32 bytes") }
      return Word.load(start)
    }
  }
}
