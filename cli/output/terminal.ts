import { type Paint, paint } from '../../src/terminal/report.ts'

/** Where lines are written to. */
export interface Output {
  /** The columns of the terminal; without a terminal there is no limit. */
  width: number
  paint: Paint
  /** Moments and names are written in full. */
  wide?: boolean
}

/** The standard output as it is now: the window may change its size. */
export const output = (): Output => ({
  width: isTerminal() ? process.stdout.columns : Number.POSITIVE_INFINITY,
  paint,
})

/** The same without an end of the line and in full, for `-o wide`. */
export const outputAs = (format: string | undefined): Output =>
  format === 'wide' ? { ...output(), width: Number.POSITIVE_INFINITY, wide: true } : output()

export const isTerminal = (): boolean => process.stdout.isTTY === true && process.stdout.columns > 0

/** Whether lines may be written over: on a terminal that can do so, and not in the log of a build. */
export const isLive = (): boolean => isTerminal() && !process.env.CI && process.env.TERM !== 'dumb'

/** Prints lines on standard output, as they are. */
export function print(...lines: string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''))
}

/** Prints a value as JSON, for programs. */
export const printJson = (value: unknown): void => print(JSON.stringify(value, null, 2))
