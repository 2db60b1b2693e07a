import { useEffect, useRef, useState } from 'preact/hooks'

const step = 50

/**
 * The first part of a long list, which grows when its end comes into sight: a thousand rows that nobody sees
 * would make every look slow. `more` is to be drawn after the list.
 */
export function useGrowing<T>(all: T[], noun: string) {
  const [most, setMost] = useState(step)
  const end = useRef<HTMLButtonElement>(null)
  const rest = all.length - most
  const grow = () => setMost((before) => before + step)
  useEffect(() => {
    if (!end.current) return
    const observer = new IntersectionObserver(
      (seen) => seen.some(({ isIntersecting }) => isIntersecting) && grow(),
    )
    observer.observe(end.current)
    return () => observer.disconnect()
  }, [most, rest > 0])
  const more = rest > 0 && (
    <button type="button" class="more" ref={end} onClick={grow}>
      {rest.toLocaleString('en')} more {noun}
    </button>
  )
  return { shown: all.slice(0, most), more }
}
