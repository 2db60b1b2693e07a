import { userInfo } from 'node:os'
import { styleText } from 'node:util'

/** Who works on this machine: the user of the operating system; `local` if it knows no name, as in some containers. */
export function person(): string {
  try {
    return userInfo().username
  } catch {
    return 'local'
  }
}

export type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan'

/** Colours a text. Lines are made with it by pure functions, which tests call with {@link plain}. */
export type Paint = (style: Style, text: string) => string

/** No colours. */
export const plain: Paint = (_, text) => text

/** Colours if standard output is a terminal, and NO_COLOR is not set. */
export const paint: Paint = (style, text) => styleText(style, text, { stream: process.stdout })

const labelWidth = 16
const detailWidth = 60

/** Prints lines for the person at the terminal; coloured only on a terminal. */
export const report = {
  title(text: string) {
    print(`${paint('bold', text)}\n`)
  },
  line(text = '') {
    print(text && `  ${text}`)
  },
  /** What was done and how long it took: `views   7 views, from their frozen migrations   0.3 s` */
  done(label: string, detail: string, ms: number) {
    print(
      `  ${label.padEnd(labelWidth)}${detail.padEnd(detailWidth - 2)}  ${dim(`${(ms / 1000).toFixed(1)} s`)}`,
    )
  },
  success(text: string) {
    print(`  ${paint('green', '✓')} ${text}`)
  },
  failure(text: string) {
    print(`  ${paint('red', '✗')} ${text}`)
  },
  warning(text: string) {
    print(`  ${paint('yellow', '!')} ${text}`)
  },
}

/** Less important text: grey on a terminal. */
export const dim = (text: string): string => paint('dim', text)

export { count } from '../words/phrases.ts'

/** `0.3 s` */
export const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`

// The reader of a pipe may have left (`npm start | head`). Without a listener this error would end the
// process.
process.stdout.on('error', () => {})

const print = (line: string) => process.stdout.write(`${line}\n`)

/** The result of some work, and its duration in milliseconds. */
export async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now()
  return [await work(), performance.now() - start]
}
