#!/usr/bin/env node
import module from 'node:module'

// This file is JavaScript for two reasons: an older Node can read it and say which one is needed, and for a first file in
// TypeScript Node would load its compiler at each start.
if (process.features.typescript) {
  // Compiling takes most of the start-up time: what one start has compiled, the next ones need not. So everything else is
  // imported after this line.
  module.enableCompileCache()
  const { main } = await import('./program/program.ts')
  await main(process.argv.slice(2))
} else {
  console.error(
    `viewkeeper: Node ${process.versions.node} cannot run it. npx viewkeeper takes the Node that npm ci has installed.`,
  )
  process.exitCode = 2
}
