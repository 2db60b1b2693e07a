import { readFileSync, writeFileSync } from 'node:fs'
import { Template } from 'aws-cdk-lib/assertions'
import { created } from './environments.ts'
import { panelsOf, withPanels } from './panels.ts'
import { createStack } from './synth.ts'

// Lists the dashboard's panels in the documentation, from the template of an environment.
const page = new URL('../../docs/monitoring.md', import.meta.url)
const panels = panelsOf(Template.fromStack(createStack(created)))
writeFileSync(page, withPanels(readFileSync(page, 'utf8'), panels))
