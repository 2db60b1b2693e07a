import type { Plan } from '../../../src/edge/http/schemas/answers.ts'
import { count, duration } from '../../../src/plan/words.ts'

type Hour = Plan['hours'][number]

/** How much is refreshed in each hour, as bars. A list for screen readers, with the same numbers. */
export function Hours({ hours }: { hours: Hour[] }) {
  const most = Math.max(1, ...hours.map(({ busyMs }) => busyMs))
  return (
    <figure class="hours">
      <figcaption>Work by hour, in UTC; the longest: {duration(most)}</figcaption>
      <ol>
        {hours.map((hour) => (
          <li key={hour.at} title={wordsOf(hour)}>
            <span class="hour-bar" style={{ height: `${(hour.busyMs / most) * 100}%` }} />
            <span class="hour" aria-hidden="true">
              {hour.at.slice(11, 13)}
            </span>
            <span class="words">{wordsOf(hour)}</span>
          </li>
        ))}
      </ol>
    </figure>
  )
}

/** `02:00: 8 refreshes, 17 min of work, 2 at once` */
const wordsOf = ({ at, refreshes, busyMs, atOnce }: Hour): string =>
  `${at.slice(11, 16)}: ${count(refreshes, 'refresh', 'refreshes')}` +
  (busyMs > 0 ? `, ${duration(busyMs)} of work, ${atOnce} at once` : '')
