import type { Mark as MarkName, Sign } from '../../../src/resources/sign.ts'

const strokes: Record<MarkName, string> = {
  check: 'M4 8.5 7 11.5 12.5 5',
  clock: 'M8 4.5V8l2.5 1.8',
  cross: 'M5 5l6 6M11 5l-6 6',
  play: 'M6 4.5 11 8 6 11.5z',
  dots: 'M4 8h.01M8 8h.01M12 8h.01',
  pause: 'M6 4.5v7M10 4.5v7',
  ring: 'M8 4.5a3.5 3.5 0 1 0 .01 0z',
  gone: 'M6 6.2a2 2 0 1 1 2.8 1.9c-.5.2-.8.5-.8 1.1M8 11.5h.01',
  dash: 'M4.5 8h7',
  box: 'M5 5h6v6H5z',
}

/** The strokes of a mark, in a square of 16 by 16. */
export const strokesOf = (mark: MarkName): string => strokes[mark]

/**
 * The mark of a sign. The word that it stands for is next to it, so the mark itself says nothing to a screen
 * reader.
 */
export const Mark = ({ sign }: { sign: Sign }) => (
  <svg class={`mark tone-${sign.tone}`} viewBox="0 0 16 16" aria-hidden="true">
    <path d={strokes[sign.mark]} />
  </svg>
)

/** A sign in its colour: mark and word. */
export const Badge = ({ sign, word = sign.word }: { sign: Sign; word?: string }) => (
  <span class={`badge tone-${sign.tone}`}>
    <Mark sign={sign} />
    {word}
  </span>
)
