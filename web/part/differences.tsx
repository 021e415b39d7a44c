import { setByText, valuesOf } from '../../src/cli/render/plan/reasons.ts';
import { visible } from '../../src/cli/render/text.ts';
import type { FieldDifference } from '../../src/model/plan.ts';
import { Wide } from './notes.tsx';

/** Fields that differ, with both values. */
export function Differences({
  fields,
  label,
}: {
  readonly fields: readonly FieldDifference[];
  readonly label: string;
}) {
  return (
    <Wide label={label}>
      <table class="differences">
        <caption class="unseen">{label}</caption>
        <thead class="unseen">
          <tr>
            <th scope="col">field</th>
            <th scope="col">was</th>
            <th scope="col">is</th>
          </tr>
        </thead>
        <tbody>
          {fields.map((field) => {
            const { from, to } = valuesOf(field);
            return (
              <tr key={field.path}>
                <th scope="row">
                  <code>{visible(field.path)}</code>
                </th>
                <td class="quiet">
                  <code>{from}</code>
                </td>
                <td>
                  <span class="quiet" aria-hidden="true">
                    →{' '}
                  </span>
                  <code>{to}</code>
                  <span class="quiet">{setByText(field)}</span>
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Wide>
  );
}

/** Drift as it happened: from what was declared to what somebody made of it. */
export const asHappened = ({ from, to, ...field }: FieldDifference): FieldDifference => ({
  ...field,
  from: to,
  to: from,
});
