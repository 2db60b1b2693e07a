import type { ComponentChildren } from 'preact'

interface Options {
  /** The table; false if it has no row. */
  children: ComponentChildren
  none: string
  /** What the rows are. */
  noun: string
  /** Where older rows are; null if there are none. */
  older: string | null
}

/** A page of a list, newest first. */
export const Listed = ({ children, none, noun, older }: Options) => (
  <>
    {children || <p class="empty">{none}</p>}
    {older && (
      <a class="more" href={older}>
        Older {noun}
      </a>
    )}
  </>
)
