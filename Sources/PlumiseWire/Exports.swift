// Every message is made of JSON values: whoever imports PlumiseWire speaks of them.
@_exported public import JSONValues
