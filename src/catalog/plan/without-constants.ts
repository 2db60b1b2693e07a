import { type Token, tokensIn } from '../../sql/sql-tokens.ts'

/** What stands instead of a constant. */
const leftOut = '...'

const longest = 2000

/** One of several statements. A quoted name may hold a semicolon, and a name that was cut has no second quote. */
const each = /(?:"[^"]*(?:"|$)|[^;"])+/g

/**
 * A statement that gives a value to a setting, which may be a word without quotes, and the setting may be a quoted name.
 * Of `alter` and `create` all is left out from the first value on, also if what follows is no setting.
 */
const setting = /^( ?(?:(?:alter|create) .*?)?\bset\b.*?(?:=|\bto\b)).*/i

/**
 * A statement of somebody else without its constants, on one line: `...` stands instead of each text and number, and
 * instead of what `set` gives to a setting; comments are left out. For a statement that the server has cut in the middle of a
 * quote, and for a quote that depends on a setting of the session, all that follows is left out. Pure.
 */
export function withoutConstants(statement: string): string {
  let said = ''
  for (const token of tokensIn(statement)) {
    said += keptOf(token)
    if (isUnsure(token)) break
  }
  const line = said.replace(/\s+/g, ' ').trim()
  const end = line.length <= longest ? '' : leftOut
  const cut = line.slice(0, longest).toWellFormed()
  return `${cut.replace(each, (one) => one.replace(setting, `$1 ${leftOut}`))}${end}`
}

/** With `standard_conforming_strings = off` a backslash escapes the quote after it, so the text may go on. */
const isUnsure = ({ kind, text }: Token): boolean =>
  kind === 'text' && !/^[Ee$]/.test(text) && text.includes("\\'")

/** A name that was cut may be a text for somebody who confuses the quotes. */
const keptOf = ({ kind, text, closed }: Token): string => {
  if (kind === 'comment') return ' '
  return kind === 'text' || kind === 'number' || !closed ? leftOut : text
}
