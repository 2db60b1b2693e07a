import type { Template } from 'aws-cdk-lib/assertions'

/** A panel of the dashboard, as its template has it. */
export interface Panel {
  title: string
  kind: string
  properties: Record<string, unknown>
}

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
  return body.widgets
    .filter(({ type }: { type: string }) => type !== 'text')
    .map(({ type, properties }: { type: string; properties: Record<string, unknown> }) => ({
      title: properties.title,
      kind:
        type === 'metric'
          ? 'metrics'
          : properties.view === 'table'
            ? 'table from the log'
            : 'graph from the log',
      properties,
    }))
}

/** The panels as a table. */
export const panelTable = (template: Template): string =>
  [
    '| panel | |\n|---|---|\n',
    ...panelsOf(template).map(({ title, kind }) => `| ${title} | ${kind} |\n`),
  ].join('')
