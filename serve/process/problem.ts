/** A problem that the person at the terminal can solve. It is shown as one line, without a stack. */
export class LocalProblem extends Error {
  override name = 'LocalProblem'
}
