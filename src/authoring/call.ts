// Comments, quoted texts, words, and single signs.
const token =
  /\/\/.*|\/\*[\s\S]*?\*\/|'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"|`(?:[^`\\]|\\[\s\S])*`|[\w$]+|\S/g

interface Open {
  bracket: string
  /** The path of the bracket in the call's argument: `indexes.0`. */
  path: string
  /** The key or the element number whose value comes next. */
  at: string | number | null
}

interface Call {
  /** The lines of keys and elements in the call's argument, by path: `name`, `indexes.0.columns`. */
  lines: Map<string, number>
  /** Where the call ends in the source. */
  end: number
}

/**
 * Reads the call at `start` of a source. Reads tokens, not the whole language: tokens show every field that
 * is written out, and the other fields need no line.
 */
export function readCall(source: string, start: number): Call {
  const lines = new Map<string, number>()
  const open: Open[] = []
  const mark = (path: string, index: number) => {
    if (!lines.has(path)) lines.set(path, source.slice(0, index).split('\n').length)
  }
  for (const { 0: text, index } of source.slice(start).matchAll(token)) {
    if (text.startsWith('//') || text.startsWith('/*')) continue
    const inside = open.at(-1)
    if (inside === undefined) {
      if (text === '(') open.push({ bracket: text, path: '', at: null })
    } else if (/^[)\]}]$/.test(text)) {
      open.pop()
      if (open.length === 0) return { lines, end: start + index }
    } else if (text === ',') {
      inside.at = typeof inside.at === 'number' ? inside.at + 1 : null
    } else {
      if (inside.bracket === '{' && inside.at === null) inside.at = text.replace(/^(['"])(.*)\1$/, '$2')
      const path = pathIn(inside)
      if (inside.bracket !== '(') mark(path, start + index)
      if (/^[([{]$/.test(text)) open.push({ bracket: text, path, at: text === '[' ? 0 : null })
    }
  }
  return { lines, end: source.length }
}

const pathIn = ({ bracket, path, at }: Open): string => {
  if (bracket === '(') return path
  return path === '' ? String(at) : `${path}.${at}`
}
