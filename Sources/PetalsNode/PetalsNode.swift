import Bloom
import GRPCCore
import GRPCNIOTransportHTTP2
import Hummingbird
