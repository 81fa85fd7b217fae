import CBLAS
import BloomKernels
