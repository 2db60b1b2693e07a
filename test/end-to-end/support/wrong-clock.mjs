// Loaded before a process: its clock is wrong by WRONG_BY_MS. SIGUSR2 sets it wrong by as much in the other direction.
let wrongByMs = Number(process.env.WRONG_BY_MS)
process.on('SIGUSR2', () => {
  wrongByMs = -wrongByMs
})
const Right = Date
globalThis.Date = class Wrong extends Right {
  constructor(...args) {
    super(...(args.length > 0 ? args : [Wrong.now()]))
  }
  static now() {
    return Right.now() + wrongByMs
  }
}
