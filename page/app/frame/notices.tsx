import { useEffect, useRef } from 'preact/hooks'
import { printed } from '../../../src/sql/names.ts'
import { close, notices } from '../live/notices.ts'
import { useStore } from '../store/use-store.ts'

/**
 * What was done and what went wrong, at the foot of the page; a screen reader reads each notice when it comes. The foot
 * takes room of its own, so the end of the content can always be seen, and what else stays at the foot stands above it.
 */
export function Notices() {
  const foot = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const observer = new ResizeObserver(() =>
      document.documentElement.style.setProperty('--foot', `${foot.current?.offsetHeight ?? 0}px`),
    )
    observer.observe(foot.current!)
    return () => observer.disconnect()
  }, [])
  return (
    <div ref={foot} class="notices" role="status" aria-live="polite">
      {useStore(notices).map(({ id, tone, text, more, link }) => (
        <div key={id} class={`notice notice-${tone}`}>
          <p>
            {printed(text)} {link && <a href={link.href}>{link.text}</a>}
            {more && <small>{more}</small>}
          </p>
          <button type="button" class="quiet" aria-label="Close this notice" onClick={() => close(id)}>
            ×
          </button>
        </div>
      ))}
    </div>
  )
}
