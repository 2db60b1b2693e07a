import { close, notices } from '../live/notices.ts'
import { useStore } from '../store/use-store.ts'

/** What was done and what went wrong, in a corner of the page; a screen reader reads each notice when it comes. */
export const Notices = () => (
  <div class="notices" role="status" aria-live="polite">
    {useStore(notices).map(({ id, tone, text, more, link }) => (
      <div key={id} class={`notice notice-${tone}`}>
        <p>
          {text} {link && <a href={link.href}>{link.text}</a>}
          {more && <small>{more}</small>}
        </p>
        <button type="button" class="quiet" aria-label="Close this notice" onClick={() => close(id)}>
          ×
        </button>
      </div>
    ))}
  </div>
)
