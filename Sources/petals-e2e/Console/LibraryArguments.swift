public import ArgumentParser
public import Bloom
public import MockOracle
public import MockWeb3

// The libraries' closed vocabularies, as the command line spells them.

extension ChainProfile: ExpressibleByArgument {}
extension OracleProfile: ExpressibleByArgument {}
extension SyntheticShape: ExpressibleByArgument {}
