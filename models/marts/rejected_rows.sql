-- One row per row of the program's reports that is not used.
{%- set files = column_values(ref('int_report_rows_rejected'), 'path') %}
{%- set paths = column_values(ref('int_report_rows_rejected'), 'path', where='raw_text is null') %}

with

rejected_rows as (
    select * from {{ ref('int_report_rows_rejected') }}
),

retired_accounts as (
    select * from {{ ref('int_retired_accounts') }}
),

learner_sayings as (
    select * from {{ ref('int_learner_sayings') }}
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

retired_sayings as (
    select
        lower(learner_sayings.username) as username,
        lower(learner_sayings.email) as email
    from learner_sayings
    semi join retired_accounts on learner_sayings.student_id = retired_accounts.student_id
),

-- who a retired learner was, in any download
retired_names as (
    select username as cell from retired_sayings
    union
    select email as cell from retired_sayings
),

-- a row of the wrong width has no student id that is read: its first cell, or another one, tells whose it is
cells as (
    select
        file_id,
        line,
        {{ each_of("split(lower(raw_text), ',')") }} as cell
    from whole
),

rows_of_retired as (
    select
        file_id,
        line
    from whole
    where
        student_id in (select retired_accounts.student_id from retired_accounts)
        or split_part(raw_text, ',', 1) in (select retired_accounts.student_id::string from retired_accounts)
    union
    select
        cells.file_id,
        cells.line
    from cells
    semi join retired_names
        on trim(both ' "' || chr(13) || chr(10) from cells.cell) = retired_names.cell
),

final as (
    select
        whole.file_name,
        whole.line,
        whole.reason,
        if(rows_of_retired.line is null, whole.raw_text, 'withheld: of a retired account') as raw_text
    from whole
    left join rows_of_retired on whole.file_id = rows_of_retired.file_id and whole.line = rows_of_retired.line
)

select * from final
