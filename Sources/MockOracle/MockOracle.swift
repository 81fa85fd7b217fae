import MockServing
import GRDB
