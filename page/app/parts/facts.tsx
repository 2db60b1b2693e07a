import type { ComponentChildren } from 'preact'

/** Facts in two columns: what, and how it is. A fact without a value, or of 0, is left out. */
export const Facts = ({ facts }: { facts: Record<string, ComponentChildren> }) => (
  <dl class="facts">
    {Object.entries(facts)
      .filter(([, value]) => value)
      .map(([what, value]) => (
        <div key={what}>
          <dt>{what}</dt>
          <dd>{value}</dd>
        </div>
      ))}
  </dl>
)
