-- One row per file whose rows are not all accounted for: rows read = rows used + rejected + superseded.
with

report_files as (
    select * from {{ ref('report_files') }}
    where status in ('used', 'superseded')
),

-- of a used grade report, what is used stands in course_instancedetails
details as (
    select
        file_name,
        count(*) as row_count
    from {{ ref('course_instancedetails') }}
    group by file_name
),

-- of a used profile report, what is used are the learners whom the mart knows by it
profiles as (
    select
        rows_read.file_name,
        count(distinct rows_read.student_id) as row_count
    from {{ ref('int_report_rows') }} as rows_read
    semi join {{ ref('learners') }} as learners on rows_read.student_id = learners.student_id
    where rows_read.report_kind = 'student_profile_info' and rows_read.is_usable
    group by rows_read.file_name
),

-- of an opt-in list every row is
opt_ins as (
    select
        files.file_name,
        count(*) as row_count
    from {{ source('edx', 'email_opt_in') }} as records
    inner join {{ source('edx', 'report_files') }} as files on records.file_id = files.file_id
    group by files.file_name
),

superseded_files as (
    select file_name from report_files
    where status = 'superseded'
),

-- of a superseded report of either kind, what could have been used
readable_rows as (
    select
        rows_read.file_name,
        rows_read.student_id
    from {{ ref('int_report_rows') }} as rows_read
    semi join superseded_files on rows_read.file_name = superseded_files.file_name
    where rows_read.is_usable
),

superseded as (
    select
        file_name,
        count(distinct student_id) as row_count
    from readable_rows
    group by file_name
),

rejected as (
    select
        file_name,
        count(*) as row_count
    from {{ ref('rejected_rows') }}
    group by file_name
),

counted as (
    select
        report_files.file_name,
        report_files.row_count as rows_read,
        case
            when report_files.status = 'superseded' then 0
            else coalesce(details.row_count, profiles.row_count, opt_ins.row_count, 0)
        end as rows_used,
        coalesce(rejected.row_count, 0) as rows_rejected,
        coalesce(superseded.row_count, 0) as rows_superseded,
        report_files.rejected_row_count
    from report_files
    left join details on report_files.file_name = details.file_name
    left join profiles on report_files.file_name = profiles.file_name
    left join opt_ins on report_files.file_name = opt_ins.file_name
    left join superseded on report_files.file_name = superseded.file_name
    left join rejected on report_files.file_name = rejected.file_name
)

select * from counted
where
    rows_read is distinct from rows_used + rows_rejected + rows_superseded
    or rows_rejected != rejected_row_count
