-- One row per record of a profile report; a record without a readable id has a rejected_reason.
with

student_profile_info as (
    select * from {{ source('edx', 'student_profile_info') }}
),

report_files as (
    select * from {{ ref('stg_edx__report_files') }}
),

typed as (
    select
        file_id,
        line,
        line_count,
        {{ whole_number('student_id') }} as student_id,
        -- edX writes a missing value as the four letters None; "none" is somebody's word
        nullif(nullif(username, 'None'), '') as username,
        nullif(nullif(email, 'None'), '') as email,
        nullif(nullif(name, 'None'), '') as name,
        nullif(nullif(country, 'None'), '') as country
    from student_profile_info
),

final as (
    select
        typed.*,
        report_files.file_name,
        report_files.reported_at,
        if(typed.student_id is null, 'its id is not a whole number', null) as rejected_reason
    from typed
    inner join report_files on typed.file_id = report_files.file_id
)

select * from final
