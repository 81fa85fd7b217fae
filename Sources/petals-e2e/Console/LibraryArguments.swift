public import ArgumentParser
public import Bloom
public import EVM
public import MockOracle
public import MockWeb3
public import PlumiseWire

// The libraries' closed vocabularies, as the command line spells them.

extension ChainProfile: ExpressibleByArgument {}
extension Hardfork: ExpressibleByArgument {}
extension OracleProfile: ExpressibleByArgument {}
extension ReportDialect: ExpressibleByArgument {}
extension SyntheticShape: ExpressibleByArgument {}
