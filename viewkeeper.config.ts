import { defineConfig } from 'viewkeeper'
import { environments } from './infra/environments.ts'

export default defineConfig({ environments })
