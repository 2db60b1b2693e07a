import { defineConfig } from 'viewkeeper'

export default defineConfig({ environments: { production: { region: 'eu-central-1' } } })
