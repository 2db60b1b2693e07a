import type { Run } from '../../../src/edge/http/schemas/answers.ts'
import { toldChecks } from '../../../src/plan/runs/made-checks.ts'

/** What the checks of a run found, and how long each took. */
export const Checks = ({ of }: { of: Pick<Run, 'checks' | 'durationMs'> }) => (
  <ul class="neighbours">
    {toldChecks(of).map(([name, text]) => (
      <li key={name}>
        {name} <span class="pale">{text}</span>
      </li>
    ))}
  </ul>
)
