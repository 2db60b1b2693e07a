import { describe, expect, test } from 'vitest'
import { insights } from '../../../infra/monitoring/dashboard.ts'
import { metricNames } from '../../../src/api/lambda/names.ts'
import { panelsOf } from '../support/panels.ts'
import { kinds } from '../support/synth.ts'

const { template } = kinds.created
const panels = panelsOf(template)

describe('the dashboard', () => {
  test('asks nothing of a metric that is not published', () => {
    const own = panels.flatMap(({ properties }) =>
      ((properties.metrics ?? []) as unknown[][])
        .filter(([namespace]) => namespace === 'Viewkeeper')
        .map(([, name]) => name),
    )
    expect(own.toSorted()).toEqual(Object.values(metricNames).toSorted())
  })

  test('asks the log of the monitor, whose lines the functions write, and its questions are saved', () => {
    const queries = panels
      .filter(({ kind }) => kind !== 'metrics')
      .map(({ title, properties }) => [title, String(properties.query)])
    const saved = Object.values(template.findResources('AWS::Logs::QueryDefinition')).map(
      ({ Properties }) => Properties,
    )
    expect(saved).toHaveLength(Object.keys(insights).length)
    for (const [title, query] of queries) {
      expect(query).toContain("SOURCE '")
      const same = saved.find(({ Name }) => Name === `viewkeeper/test/${title}`)
      expect(query).toContain(same?.QueryString.split('\n| ')[0])
    }
  })
})
