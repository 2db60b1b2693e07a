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
 * The tokens of SQL that may hold data, or that keep a quote from being one: comments, texts, dollar quotes, quoted names,
 * names, parameters and numbers. A name comes before a dollar quote and a number, because it may contain both.
 */
const token =
  /(?<comment>--[^\n\r]*|\/\*)|(?:[EeBbXxNn]|[Uu]&)?'|(?<dollar>\$(?:[A-Za-z_\u0080-\u{10ffff}][\w\u0080-\u{10ffff}]*)?\$)|(?<name>[Uu]&"|"|[A-Za-z_\u0080-\u{10ffff}][\w$\u0080-\u{10ffff}]*|\$\d+)|(?<number>\.?\d[\w.]*(?:(?<=[Ee])[+-]?\d+)?)/gu

/**
 * A statement of somebody else without its constants, on one line: `...` stands instead of each text and number, and
 * instead of what `set` gives to a setting; comments are left out. For a statement that the server has cut in the middle of a
 * quote, and for a quote that depends on a setting of the session, all that follows is left out. Pure.
 */
export function withoutConstants(statement: string): string {
  let said = ''
  let from = 0
  while (from < statement.length) {
    token.lastIndex = from
    const found = token.exec(statement)
    if (found === null) break
    said += statement.slice(from, found.index)
    const to = endOf(statement, found)
    said += keptOf(statement.slice(found.index, to), found)
    from = to ?? statement.length
  }
  const line = `${said}${statement.slice(from)}`.replace(/\s+/g, ' ').trim()
  const end = line.length <= longest ? '' : leftOut
  const cut = line.slice(0, longest).toWellFormed()
  return `${cut.replace(each, (one) => one.replace(setting, `$1 ${leftOut}`))}${end}`
}

/** Where the token ends; undefined if it has no end, or none that is sure. */
function endOf(statement: string, found: RegExpExecArray): number | undefined {
  const [text] = found
  const from = found.index + text.length
  const after = (pattern: RegExp): number | undefined => {
    pattern.lastIndex = from
    return pattern.test(statement) ? pattern.lastIndex : undefined
  }
  const { dollar } = found.groups as Record<string, string | undefined>
  if (text === '/*') return endOfComment(statement, from)
  if (dollar !== undefined) {
    const end = statement.indexOf(dollar, from)
    return end < 0 ? undefined : end + dollar.length
  }
  if (text.endsWith('"')) return after(/(?:[^"]|"")*"(?!")/y)
  if (!text.endsWith("'")) return from
  if (/^[Ee]/.test(text)) return after(/(?:[^'\\]|\\[\s\S]|'')*'(?!')/y)
  // With `standard_conforming_strings = off` a backslash escapes the quote after it.
  return after(/(?:[^'\\]|\\(?!')|'')*'(?!')/y)
}

/** Comments contain comments. */
function endOfComment(statement: string, from: number): number | undefined {
  const mark = /\/\*|\*\//g
  mark.lastIndex = from
  for (let depth = 1; ; ) {
    const found = mark.exec(statement)
    if (found === null) return undefined
    depth += found[0] === '/*' ? 1 : -1
    if (depth === 0) return mark.lastIndex
  }
}

/** A name that was cut may be a text for somebody who confuses the quotes. */
const keptOf = (text: string, { groups = {} }: RegExpExecArray): string => {
  if (groups.comment !== undefined) return ' '
  return groups.name !== undefined && !/^(?:[Uu]&)?"(?:[^"]|"")*$/.test(text) ? text : leftOut
}
