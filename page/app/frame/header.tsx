import { hashOf, type Place, pages } from '../address/address.ts'
import type { Target } from '../api/target.ts'
import { help } from './keys.ts'

/** The head of every page: which environment this is, and where one can go. */
export const Header = ({ place, target }: { place: Place; target: Target | undefined }) => (
  <header>
    <a class="brand" href={hashOf('views')} aria-label="Viewkeeper, all views">
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <rect width="16" height="16" rx="4" />
        <path d="M3.5 5.5 8 11.5l4.5-6" />
      </svg>
      <span>Viewkeeper</span>
    </a>
    {target && (
      <span class="target" title={target.url}>
        {target.environment ?? 'local'}
      </span>
    )}
    <nav aria-label="Pages">
      {pages.map(({ list, item, title }) => (
        <a
          key={list}
          href={hashOf(list)}
          aria-current={[list, item].some((page) => page === place.page) ? 'page' : undefined}
        >
          {title}
        </a>
      ))}
    </nav>
    <button
      type="button"
      class="quiet"
      aria-label="Keys"
      aria-keyshortcuts="?"
      onClick={() => help.set(true)}
    >
      ?
    </button>
  </header>
)
