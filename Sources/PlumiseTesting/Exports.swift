// The types that a test of a network touches, so that `import PlumiseTesting` is enough for most
// tests. Each is exported by its name: the other names of its module stay out of a test until it
// imports that module. A typealias would do for the names, but not for the members: with
// `MemberImportVisibility` they are visible only where their module is imported or exported.

@_exported public import struct Bloom.BlockRange
@_exported public import class Bloom.Checkpoint
@_exported public import struct Bloom.SamplingParameters
@_exported public import enum ChainAgent.AgentEvent
@_exported public import struct ChainAgent.AgentService
@_exported public import class ChainAgent.ChainAgent
@_exported public import enum ChainAgent.RegistrationOutcome
@_exported public import struct EthereumClient.ChainError
@_exported public import struct EthereumClient.EthereumClient
@_exported public import struct EthereumPrimitives.Address
@_exported public import struct EthereumPrimitives.Hash32
@_exported public import enum EthereumPrimitives.Keccak256
@_exported public import struct EthereumPrimitives.SecretKey
@_exported public import struct EthereumPrimitives.Word
@_exported public import struct InferenceMetrics.InferenceMetrics
@_exported public import class InferenceMetrics.MetricsCollector
@_exported public import struct Logging.Logger
@_exported public import class MockGateway.MockGateway
@_exported public import struct MockOracle.AgentRecord
@_exported public import enum MockOracle.ChainOperation
@_exported public import class MockOracle.MockOracle
@_exported public import enum MockOracle.OracleProfile
@_exported public import enum MockServing.Fault
@_exported public import struct MockServing.FaultRule
@_exported public import class MockServing.FaultScript
@_exported public import struct MockServing.ServerAddress
@_exported public import struct MockWeb3.ChainConfiguration
@_exported public import enum MockWeb3.ChainFault
@_exported public import struct MockWeb3.ChainFaultRule
@_exported public import enum MockWeb3.ChainProfile
@_exported public import struct MockWeb3.DevelopmentAccount
@_exported public import class MockWeb3.MockWeb3
@_exported public import struct MockWeb3.RegisteredAgent
@_exported public import class OracleReporter.OracleReporter
@_exported public import struct OracleReporter.ReporterError
@_exported public import struct OracleReporter.ReportOutcome
@_exported public import enum PetalsNode.AgentProfile
@_exported public import class PetalsNode.ClientModel
@_exported public import struct PetalsNode.GenerationResult
@_exported public import struct PetalsNode.NodeError
@_exported public import struct PetalsNode.PeerAddress
@_exported public import class PetalsNode.PetalsNode
@_exported public import class PetalsNode.PipelineClient
@_exported public import struct PetalsNode.PipelineRequest
@_exported public import struct PetalsNode.RecoveryPolicy
@_exported public import struct PetalsNode.TransportLimits
@_exported public import struct PlumiseWire.AgentRegistration
@_exported public import struct PlumiseWire.InferenceProof
@_exported public import enum PlumiseWire.ReportDialect
