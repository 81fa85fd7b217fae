import MockServing
import PlumiseWire
import Testing

@Suite("Fault schedules")
struct FaultScheduleTests {
  /// Which of some occasions meet a fault, where chance decides as an array says.
  private func met(
    _ schedule: FaultSchedule, occasions: Int, chance: [Bool] = []
  ) -> (met: [Bool], draws: Int) {
    var (schedule, draws, met) = (schedule, 0, [Bool]())
    for _ in 0..<occasions {
      met.append(
        schedule.takeOccasion { _ in
          draws += 1
          return chance[draws - 1]
        })
    }
    return (met, draws)
  }

  @Test("The first occasions pass, then so many meet the fault, and no more")
  func counts() {
    let schedule = FaultSchedule(count: 2, skip: 1)
    #expect(met(schedule, occasions: 5).met == [false, true, true, false, false])
    #expect(met(FaultSchedule(), occasions: 3).met == [true, false, false])
    #expect(met(FaultSchedule(count: nil), occasions: 3).met == [true, true, true])
  }

  @Test("Chance is asked for occasions that do not just pass, and counts only what meets the fault")
  func chance() {
    let schedule = FaultSchedule(count: 1, skip: 2, probability: 0.5)
    let (met, draws) = met(schedule, occasions: 6, chance: [false, true])
    #expect(met == [false, false, false, true, false, false])
    #expect(draws == 2)
  }

  @Test(
    "A schedule is read from JSON by both names of its members",
    arguments: [
      ("{}", FaultSchedule()), (#"{"count":3}"#, FaultSchedule(count: 3)),
      (#"{"count":null}"#, FaultSchedule(count: nil)), (#"{"count":0}"#, FaultSchedule(count: nil)),
      (
        #"{"count":3,"skip":1,"probability":0.5}"#,
        FaultSchedule(count: 3, skip: 1, probability: 0.5)
      ),
      (
        #"{"times":3,"after":1,"likelihood":0.5}"#,
        FaultSchedule(count: 3, skip: 1, probability: 0.5)
      ),
      (#"{"times":null,"skip":2}"#, FaultSchedule(count: nil, skip: 2)),
    ])
  func read(text: String, schedule: FaultSchedule) throws {
    let object = try #require(try JSON.parse(text).objectValue)
    #expect(try FaultSchedule(json: object) == schedule)
    #expect(try FaultSchedule(json: schedule.json) == schedule)
  }

  @Test(
    "What is no schedule is refused by its member",
    arguments: [
      (#"{"count":-1}"#, "count must be a whole number from 0 to 9223372036854775807"),
      (#"{"count":1.5}"#, "count must be a whole number"),
      (#"{"times":0}"#, "times must be a whole number from 1 to"),
      (#"{"skip":"1"}"#, "skip must be a whole number"),
      (#"{"after":-1}"#, "after must be a whole number"),
      (#"{"probability":0}"#, "probability must be above 0 and up to 1"),
      (#"{"likelihood":1.5}"#, "likelihood must be above 0 and up to 1"),
      (#"{"probability":"1"}"#, "probability must be a number"),
      (#"{"count":1,"times":1}"#, "times is another name of count: give one of them"),
    ])
  func refused(text: String, message: String) throws {
    let object = try #require(try JSON.parse(text).objectValue)
    let error = #expect(throws: FaultScheduleError.self) { try FaultSchedule(json: object) }
    #expect(error?.description.hasPrefix(message) == true, "\(error?.description ?? "")")
  }
}
