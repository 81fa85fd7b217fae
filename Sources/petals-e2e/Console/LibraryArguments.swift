public import ArgumentParser
public import Bloom
public import MockOracle
public import MockWeb3
public import PlumiseWire

// The libraries' closed vocabularies, as the command line spells them.

extension ChainProfile: ExpressibleByArgument {}
extension OracleProfile: ExpressibleByArgument {}
extension ReportDialect: ExpressibleByArgument {}
extension SyntheticShape: ExpressibleByArgument {}
