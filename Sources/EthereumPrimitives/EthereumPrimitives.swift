import CSecp256k1
import COpenSSL
