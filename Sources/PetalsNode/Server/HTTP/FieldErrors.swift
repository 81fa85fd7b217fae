import PlumiseWire

/// One field of a request that cannot be taken.
package struct FieldError: Hashable, Sendable {
  /// The way to the field, from the body on.
  package let path: [String]
  /// What is expected, in one line.
  package let message: String
  /// A word for programs.
  package let type: String

  /// The entry of `detail`: `loc`, `msg` and `type`.
  var json: JSON {
    [
      "loc": .array((["body"] + path).map(JSON.string)),
      "msg": .string(message),
      "type": .string(type),
    ]
  }
}

/// All fields that cannot be taken.
package struct FieldErrors: Error, Hashable, Sendable {
  package let errors: [FieldError]

  init(_ errors: [FieldError]) { self.errors = errors }
}

/// Reads the fields of a JSON body, and remembers what was wrong with each.
///
/// A field that is null counts as absent.
struct FieldReader {
  private(set) var errors: [FieldError] = []

  /// An object's members.
  mutating func object(_ value: JSON, at path: [String]) -> JSON? {
    if value.objectValue != nil { return value }
    fail(path, "Input should be an object", "object_type")
    return nil
  }

  /// A required text of at least one character.
  mutating func string(_ value: JSON?, at path: [String]) -> String? {
    guard let value else {
      fail(path, "Field required", "missing")
      return nil
    }
    guard let text = value.stringValue else {
      fail(path, "Input should be a valid string", "string_type")
      return nil
    }
    if text.isEmpty {
      fail(path, "String should have at least 1 character", "string_too_short")
      return nil
    }
    return text
  }

  /// An optional yes or no.
  mutating func bool(_ value: JSON?, at path: [String]) -> Bool? {
    guard let value, !value.isNull else { return nil }
    if let bool = value.boolValue { return bool }
    fail(path, "Input should be a valid boolean", "bool_type")
    return nil
  }

  /// An optional whole number, as ``LaxNumber`` reads it.
  mutating func integer(
    _ value: JSON?, in range: ClosedRange<Int64>, at path: [String]
  ) -> Int? {
    guard let value, !value.isNull else { return nil }
    do {
      return check(try LaxNumber<Int64>(value).value, in: range, at: path).flatMap {
        Int(exactly: $0)
      }
    } catch {
      fail(path, error.message, error.type)
      return nil
    }
  }

  /// An optional number, as ``LaxNumber`` reads it.
  mutating func number(
    _ value: JSON?, in range: ClosedRange<Double>, at path: [String]
  ) -> Double? {
    guard let value, !value.isNull else { return nil }
    do {
      return check(try LaxNumber<Double>(value).value, in: range, at: path)
    } catch {
      fail(path, error.message, error.type)
      return nil
    }
  }

  private mutating func check<Number: Comparable>(
    _ number: Number, in range: ClosedRange<Number>, at path: [String]
  ) -> Number? {
    if number < range.lowerBound {
      fail(
        path, "Input should be greater than or equal to \(range.lowerBound)",
        "greater_than_equal")
    } else if number <= range.upperBound {
      return number
    } else {
      // What is not a number is not within limits either.
      fail(path, "Input should be less than or equal to \(range.upperBound)", "less_than_equal")
    }
    return nil
  }

  private mutating func fail(_ path: [String], _ message: String, _ type: String) {
    errors.append(FieldError(path: path, message: message, type: type))
  }
}
