#!/usr/bin/env node
import { existsSync } from 'node:fs'
import module from 'node:module'

// This file is JavaScript for three reasons: the package has no sources; an older Node can read the file and say which one is
// needed; and for a first file in TypeScript Node would load its compiler at each start.
const source = new URL('main.ts', import.meta.url)
const isSource = existsSync(source)
if (!process.features.typescript) {
  const fix = isSource
    ? 'npx viewkeeper takes the Node that npm ci has installed.'
    : 'Install one, for example with: nvm install 24'
  console.error(
    `viewkeeper: Node ${process.versions.node} strips no types: Viewkeeper needs Node 22.18 or later. ${fix}`,
  )
  process.exitCode = 2
} else {
  // Compiling takes most of the start-up time: what one start has compiled, the next ones need not.
  module.enableCompileCache()
  await import(isSource ? source.href : '../dist/viewkeeper.js')
}
