import EthereumPrimitives
import PlumiseWire

/// The object that eth_call, eth_estimateGas and eth_sendTransaction take.
struct CallArguments: Sendable {
  var from: Address?
  var to: Address?
  var gas: UInt64?
  var nonce: UInt64?
  var gasPrice: Word?
  var maxFeePerGas: Word?
  var maxPriorityFeePerGas: Word?
  var value: Word = .zero
  var input: [UInt8] = []
  var accessList: [AccessListEntry]?
  var chainID: Word?
  /// Whether `data` and `input` are both there and differ: a call takes `input`, a transaction
  /// neither.
  var isAmbiguous = false

  init(_ value: RPCValue) throws {
    let fields = try value.fields(of: "TransactionArgs")
    from = try fields["from"]?.address()
    to = try fields["to"]?.address()
    gas = try fields["gas"]?.uint64()
    nonce = try fields["nonce"]?.uint64()
    gasPrice = try fields["gasPrice"]?.word()
    maxFeePerGas = try fields["maxFeePerGas"]?.word()
    maxPriorityFeePerGas = try fields["maxPriorityFeePerGas"]?.word()
    self.value = try fields["value"]?.word() ?? .zero
    let data = try fields["data"]?.bytes()
    let input = try fields["input"]?.bytes()
    self.input = input ?? data ?? []
    isAmbiguous = data != nil && input != nil && data != input
    accessList = try fields["accessList"]?.accessList()
    chainID = try fields["chainId"]?.word()
    if gasPrice != nil, maxFeePerGas != nil || maxPriorityFeePerGas != nil {
      throw RPCFailure.refused(
        "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
    }
  }

  /// The call of a program; creating contracts is not part of this chain.
  func call() throws -> TracelessCall {
    guard let to else { throw PoolError.contractCreation }
    return TracelessCall(
      from: from ?? .zero, to: to, gas: gas, feeCap: gasPrice ?? maxFeePerGas ?? .zero,
      tip: gasPrice ?? maxPriorityFeePerGas ?? .zero, value: value, input: input,
      accessList: accessList ?? [])
  }
}
