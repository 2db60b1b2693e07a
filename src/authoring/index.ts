export {
  type AuthoredView,
  defineView,
  type GrantInput,
  type IndexInput,
  type QueryInput,
  type ViewInput,
} from './define-view.ts'
