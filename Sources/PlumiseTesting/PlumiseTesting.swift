import Testing
import MockOracle
import MockWeb3
