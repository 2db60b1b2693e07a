import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { printed } from '../../../src/sql/names.ts'

/**
 * The heading of a page. It gets the focus when the page is opened from another one, so that a screen reader reads
 * it.
 */
export function Heading({ title, children }: { title: string; children?: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    document.title = `${printed(title)} · ${document.documentElement.dataset.target ?? 'Viewkeeper'}`
    if (document.documentElement.dataset.opened) heading.current?.focus({ preventScroll: true })
    document.documentElement.dataset.opened = 'yes'
    scrollTo(0, 0)
  }, [title])
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children ?? printed(title)}
    </h1>
  )
}
