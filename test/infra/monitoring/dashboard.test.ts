import { describe, expect, test } from 'vitest'
import { metricNames } from '../../../src/api/lambda/aws-names.ts'
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

  test('has the questions to the log of the monitor, which people open in Logs Insights', () => {
    const queries = panels.filter(({ kind }) => kind !== 'metrics')
    expect(queries).toHaveLength(8)
    for (const { properties } of queries) expect(String(properties.query)).toContain("SOURCE '")
    expect(template.findResources('AWS::Logs::QueryDefinition')).toEqual({})
  })
})
