-- One row per row of the program's reports that is not used.
{%- set files = column_values(ref('int_report_rows_rejected'), 'path') %}
{#- The text of who is no learner is withheld, so nobody looks for it. #}
{%- set paths = column_values(
    ref('int_report_rows_rejected'), 'path', where='raw_text is null and is_of_learner'
) %}

with

rejected_rows as (
    select * from {{ ref('int_report_rows_rejected') }}
),

retired_accounts as (
    select * from {{ ref('int_retired_accounts') }}
),

not_learners as (
    select * from {{ ref('int_not_learners') }}
),

not_learner_lines as (
    select * from {{ source('mailing', 'not_learners') }}
),

account_sayings as (
    select * from {{ ref('int_account_sayings') }}
    -- who said what is looked through only for rows that there are
    where {{ files != [] }}
),

lines as (
    select * from {{ lines_of_files(paths) }}
),

found as (
    select
        rejected_rows.path,
        rejected_rows.line,
        trim(trailing chr(13) from {{ joined('lines.text', 'chr(10)', 'lines.line') }}) as raw_text
    from rejected_rows
    inner join lines
        on
            rejected_rows.path = lines.path
            and lines.line between rejected_rows.line and rejected_rows.line + rejected_rows.line_count - 1
    group by rejected_rows.path, rejected_rows.line
),

whole as (
    select
        rejected_rows.file_id,
        rejected_rows.file_name,
        rejected_rows.line,
        rejected_rows.student_id,
        rejected_rows.reason,
        coalesce(rejected_rows.raw_text, found.raw_text) as raw_text
    from rejected_rows
    left join found on rejected_rows.path = found.path and rejected_rows.line = found.line
),

withheld_accounts as (
    select
        student_id,
        'withheld: of a retired account' as words
    from retired_accounts
    union all
    select
        student_id,
        'withheld: of somebody in not_learners.csv' as words
    from not_learners
),

withheld_sayings as (
    select
        withheld_accounts.words,
        account_sayings.username,
        account_sayings.email
    from account_sayings
    inner join withheld_accounts on account_sayings.student_id = withheld_accounts.student_id
    union all
    select
        'withheld: of somebody in not_learners.csv' as words,
        username,
        email
    from not_learner_lines
),

-- who they were, in any download or mail
withheld_names as (
    select
        words,
        username as cell
    from withheld_sayings
    union
    select
        words,
        email as cell
    from withheld_sayings
),

-- a row of the wrong width has no student id that is read: its first cell, or another one, tells whose it is
cells as (
    select
        file_id,
        line,
        {{ each_of("split(lower(raw_text), ',')") }} as cell
    from whole
),

withheld_rows as (
    select
        whole.file_id,
        whole.line,
        withheld_accounts.words
    from whole
    inner join withheld_accounts on whole.student_id = withheld_accounts.student_id
    union all
    select
        whole.file_id,
        whole.line,
        withheld_accounts.words
    from whole
    inner join withheld_accounts
        on
            {{ whole_number("trim(both ' \"' from split_part(whole.raw_text, ',', 1))") }}
            = withheld_accounts.student_id
    union all
    select
        cells.file_id,
        cells.line,
        withheld_names.words
    from cells
    inner join withheld_names
        on trim(both ' "' || chr(13) || chr(10) from cells.cell) = withheld_names.cell
),

withheld as (
    select
        file_id,
        line,
        -- a retired account stays one, whoever had it
        min(words) as words
    from withheld_rows
    group by file_id, line
),

final as (
    select
        whole.file_name,
        whole.line,
        whole.reason,
        coalesce(withheld.words, whole.raw_text) as raw_text
    from whole
    left join withheld on whole.file_id = withheld.file_id and whole.line = withheld.line
)

select * from final
