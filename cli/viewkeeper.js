#!/usr/bin/env node
import { existsSync } from 'node:fs'
import module from 'node:module'

// This file is JavaScript for three reasons: the package has no sources; an older Node can read the file and say which one the
// sources need; and for a first file in TypeScript Node would load its compiler at each start.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const source = new URL('main.ts', import.meta.url)
const isSource = existsSync(source)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `viewkeeper: Node ${process.versions.node} is too old: Viewkeeper needs Node 20.19 or later. Install one, for example with: nvm install 24`,
  )
  process.exitCode = 2
} else if (isSource && !process.features.typescript) {
  console.error(
    `viewkeeper: Node ${process.versions.node} cannot run it. npx viewkeeper takes the Node that npm ci has installed.`,
  )
  process.exitCode = 2
} else {
  // Compiling takes most of the start-up time: what one start has compiled, the next ones need not. Node 20 cannot keep it.
  module.enableCompileCache?.()
  await import(isSource ? source.href : '../dist/viewkeeper.js')
}
