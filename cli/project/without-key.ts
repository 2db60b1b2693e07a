import type { Located } from '../../src/authored/load.ts'
import { optionsOf } from '../../src/config/variables.ts'
import { displayName } from '../../src/sql/names.ts'
import { lacksKey, type OnReplicas } from '../../src/sql/replicas.ts'
import { readConfig } from './config.ts'

/** An authored view that programs read on replicas, and that `auto` cannot refresh concurrently. */
export interface WithoutKey {
  view: string
  /** What is missing, what happens instead, and what to write. */
  message: string
}

/** The authored views that lack a key, as the definitions and the environments of the configuration say who reads them where. */
export async function readWithoutKey(located: Located[]): Promise<WithoutKey[]> {
  const { readOnReplicas, withoutKey } = optionsOf(process.env)
  const environments = Object.values((await readConfig()).environments) as OnReplicas[]
  const all = [...environments, ...(readOnReplicas === undefined ? [] : [{ readOnReplicas, withoutKey }])]
  return located
    .filter(({ definition, hasKey }) => definition.strategy === 'auto' && !hasKey)
    .flatMap(({ definition }) => {
      const reading = all.filter((each) => definition.readOnReplicas ?? each.readOnReplicas)
      if (reading.length === 0 && definition.readOnReplicas !== true) return []
      const fails = reading.some((each) => each.withoutKey === 'fail')
      return [
        {
          view: displayName(definition),
          message: `${lacksKey(fails ? 'fail' : 'swap')}. Write uniqueKey: ['…'] into its definition, or another strategy if readers may wait`,
        },
      ]
    })
}
