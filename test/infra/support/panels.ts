import type { Template } from 'aws-cdk-lib/assertions'

/** A panel of the dashboard, as its template has it. */
export interface Panel {
  title: string
  kind: string
  /** Where the panel stands, in CloudWatch's grid of 24 columns. */
  place: { x: number; y: number; width: number; height: number }
  properties: Record<string, unknown>
}

type Widget = Panel['place'] & { type: string; properties: Record<string, unknown> }

/** The panels in a template, in order. */
export function panelsOf(template: Template): Panel[] {
  const [dashboard] = Object.values(template.findResources('AWS::CloudWatch::Dashboard'))
  if (dashboard === undefined) throw new Error('the template has no dashboard')
  const [, parts] = dashboard.Properties.DashboardBody['Fn::Join'] as [string, unknown[]]
  const body = JSON.parse(
    parts
      .map((part) => (typeof part === 'string' ? part : JSON.stringify(part).replaceAll('"', "'")))
      .join(''),
  )
  return (body.widgets as Widget[])
    .filter(({ type }) => type !== 'text')
    .map(({ type, properties, ...place }) => ({
      title: String(properties.title),
      place,
      kind:
        type === 'metric'
          ? 'metrics'
          : properties.view === 'table'
            ? 'table from the log'
            : 'graph from the log',
      properties,
    }))
}
