import { printed } from '../../../src/plan/names.ts'

/** The name of a view; its schema is paler, because the eye looks for the rest. */
export function Name({ view }: { view: string }) {
  const [, schema = '', name = printed(view)] =
    /^((?:[^."]+|(?:U&)?"(?:[^"]|"")*")\.)(.+)$/.exec(printed(view)) ?? []
  return (
    <span class="name">
      <span class="schema">{schema}</span>
      {name}
    </span>
  )
}
