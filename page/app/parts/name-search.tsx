import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'

interface NameSearch {
  /** The part of a name that is in force. */
  part: string | undefined
  onPart: (part: string) => void
  /** So long after the last letter, the part is told. Default: at once. */
  pauseMs?: number
}

/**
 * Where a part of a name is typed, which narrows what the page lists. The key `/` leads there. The field shows what is typed, and
 * nothing that comes from its own typing ever replaces that; if the address says another part, the field shows that.
 */
export function NameSearch({ part = '', onPart, pauseMs }: NameSearch) {
  const field = useRef<HTMLInputElement>(null)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const told = useRef(part)
  // What else was narrowed meanwhile stays narrowed.
  const latest = useRef(onPart)
  latest.current = onPart
  useLayoutEffect(() => {
    if (part === told.current) return
    told.current = part
    clearTimeout(timer.current)
    if (field.current) field.current.value = part
  }, [part])
  useEffect(() => () => clearTimeout(timer.current), [])
  const tell = (text: string) => {
    told.current = text
    latest.current(text)
  }
  return (
    <input
      ref={field}
      type="search"
      placeholder="Part of a name"
      aria-label="Part of a name"
      aria-keyshortcuts="/"
      defaultValue={part}
      onInput={({ currentTarget: { value } }) => {
        clearTimeout(timer.current)
        if (pauseMs === undefined) tell(value)
        else timer.current = setTimeout(tell, pauseMs, value)
      }}
    />
  )
}
